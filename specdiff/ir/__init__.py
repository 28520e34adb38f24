"""The intermediate representation: what the front end produces and the interpreter runs."""
