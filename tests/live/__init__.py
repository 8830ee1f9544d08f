"""The cloud as a user meets it: started by its one command, used by the stock client, reached by SSH."""
