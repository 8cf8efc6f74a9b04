package flux

// EncodedTexts returns how many texts the pipeline has encoded and kept.
func (p *Pipeline) EncodedTexts() int { return len(p.embeddings.kept) }

// ClearEmbeddings sets the kept embeddings to zeros, so that images show whether they are used.
func (p *Pipeline) ClearEmbeddings() {
	for _, k := range p.embeddings.kept {
		for _, values := range k.values {
			clear(values)
		}
	}
}
