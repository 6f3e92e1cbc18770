"""HTTP: notifications and questions come in, incidents and answers go out."""
