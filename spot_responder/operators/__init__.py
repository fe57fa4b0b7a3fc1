"""What a person asks the app and lets it do."""
