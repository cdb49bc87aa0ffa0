"""What `sklstm.displays` draws with, a file for each display."""
