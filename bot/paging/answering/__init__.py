"""What people do with a page: hold it, resolve it, stop its agent."""
