"""Who may charge and who may connect: tags, registration, passwords, certificates. Pure: no SQL, no
trio, no clock."""
