// Package assemble builds generators, verifiers, reflectors, refiners, parsers and
// annotators from a configuration (package config) or from a model, and puts them
// together as what a search needs.
//
// A [Model] describes what can be run without loading it: an entry of a [Catalog], a
// model folder ([FolderModel]), or the parts of a configuration ([Builder.Model]).
// [Model.Open] loads it and returns an [Engine].
//
// The package prints nothing, and reads neither flags nor the environment: commands
// and services hand in an [Environment].
package assemble
