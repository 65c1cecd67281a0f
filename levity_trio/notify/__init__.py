"""Messages to people by mail and push: what there is to tell, whom, in which words, and how it gets
out."""
