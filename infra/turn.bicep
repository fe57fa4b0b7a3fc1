// A turn of pause.bicep: deploys nothing.
