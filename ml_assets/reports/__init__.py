"""Pages for people: the evaluation report, the model card, the plots. Values in, text out."""
