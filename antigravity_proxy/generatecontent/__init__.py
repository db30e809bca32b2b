"""Google's generateContent form, for every upstream: the inner request out, events and error bodies in. Pure."""
