"""Files beside the database: the folder of files, the key of secrets, the note of a backup."""
