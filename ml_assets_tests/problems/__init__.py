"""Problems over real tables, one folder each, as a user would write them."""
