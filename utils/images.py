"""Reading photos: any usual file in, upright RGB uint8 out."""
