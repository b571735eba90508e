"""The stand-in's server side: store, process, health page and certificates."""
