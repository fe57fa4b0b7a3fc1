// Lets time pass, and nothing else: deployments without content, one after the other, some seconds each. A role takes effect a
// while after it was assigned, and a template knows no other way to wait; Azure's landing zones wait for their roles so.

@batchSize(1)
module turns 'turn.bicep' = [for turn in range(0, 12): {}]
