-- How taxes are, the number for VAT, and what stands before the numbers of statements.
ALTER TABLE biller ADD COLUMN tax_kind TEXT
    CHECK (tax_kind IN ('taxed', 'exempt', 'small business', 'no business'));
ALTER TABLE biller ADD COLUMN tax_note TEXT;
ALTER TABLE biller ADD COLUMN vat_number TEXT;
ALTER TABLE biller ADD COLUMN number_prefix TEXT;
