"""The listening side: guards, routes, keys, streaming answers, health."""
