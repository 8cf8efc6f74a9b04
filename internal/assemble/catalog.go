package assemble

import clipartmodel "reflectionflow/models/clipart"

// Catalog lists models, the default first.
type Catalog []Model

// Embedded returns the models of this binary.
func Embedded() Catalog {
	clipart, err := FolderModel("clipart", clipartmodel.Files)
	if err != nil {
		panic(err) // its files are part of this binary
	}
	return Catalog{clipart}
}
