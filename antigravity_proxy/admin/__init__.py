"""The admin listener: the operator's status page and changes to accounts, login by API key, sign-in at Google."""
