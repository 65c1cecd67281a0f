"""What a judgement is made from: the stored facts of a transaction, of its neighbours, and of its
charger."""
