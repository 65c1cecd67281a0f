-- An import of tags is one write, so nothing of one is kept on its way.
DROP TABLE tag_import_part;
