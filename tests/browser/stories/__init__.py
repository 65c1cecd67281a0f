"""What people do at the site, as they see it in the browser: each public function is a story, and a
test."""
