"""The daily health summary of each owner channel, once per local working day, and who has reviewed it."""
