"""What a page, its forms and its calls say, piece by piece: pure."""
