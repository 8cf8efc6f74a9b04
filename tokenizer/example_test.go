package tokenizer_test

import (
	"fmt"
	"os"

	"reflectionflow/tokenizer"
)

func ExampleNewWordLevel() {
	vocabulary := []string{"<pad>", "</s>", "<unk>", "a", "photo", "of", "two", "clocks"}
	t, err := tokenizer.NewWordLevel(vocabulary, tokenizer.Options{
		Suffix:  []string{"</s>"},
		Special: []string{"<pad>"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, used, _ := t.EncodePadded("A photo of two zebras", 8, 0)
	fmt.Println(ids, used, t.Unknown("A photo of two zebras"))
	// Output: [3 4 5 6 2 1 0 0] 6 [zebras]
}

// Read the tokenizer folder of a model, here one in CLIP's form with a small vocabulary.
func ExampleOpenFolder() {
	t, err := tokenizer.OpenFolder(os.DirFS("testdata"), "clip")
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, _ := t.Encode("a photo", 0)
	for _, id := range ids {
		token, _ := t.Token(id)
		fmt.Print(token, " ")
	}
	fmt.Println(t.Size())
	// Output: <|startoftext|> a</w> photo</w> <|endoftext|> 721
}
