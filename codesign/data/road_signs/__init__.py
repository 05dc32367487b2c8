"""Road signs drawn by a program: shapes, pictograms, weather, night, partial cover. No image of a camera."""
