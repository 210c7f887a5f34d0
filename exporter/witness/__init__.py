"""The witness: holds what an exchange says of an account against what its bots say."""
