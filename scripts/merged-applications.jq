# A VM as ARM gives it -> the patch that gives it one version of the application spot-vm ($version, or none), keeping all others.
# Azure takes the list as the whole of what is wanted.
def is_ours: .packageReferenceId | ascii_downcase | test("/applications/spot-vm/versions/");

(.properties.applicationProfile.galleryApplications // []) as $there
| ($there | map(select(is_ours)) | first // {}) as $before
| {properties: {applicationProfile: {galleryApplications: (
    ($there | map(select(is_ours | not)))
    + (if $version == "none" then [] else [$before + {packageReferenceId: $version}] end)
  )}}}
