"""Google's generateContent form, whoever is asked: the inner request out, events and error bodies in. Pure."""
