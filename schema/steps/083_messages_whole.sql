-- A large message is stored in one write, with its whole frame as evidence, so no part of one is stored twice.
DROP TABLE message_part;
