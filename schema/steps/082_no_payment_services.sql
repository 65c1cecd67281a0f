-- A payment service no longer enters top-ups by itself. What such services entered stays in the ledger.
DROP TABLE payment_service;
