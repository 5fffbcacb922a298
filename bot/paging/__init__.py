"""Problems of agents, and the pages that call people about them until somebody answers."""
