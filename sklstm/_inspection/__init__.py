"""What `sklstm.inspection` works with."""
