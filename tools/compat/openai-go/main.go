// Command openai-go drives reflectionflow serve with the openai module for Go, unchanged:
//
//	cd tools/compat/openai-go
//	OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=any go run .
package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

func main() {
	if err := check(context.Background(), openai.NewClient(option.WithMaxRetries(0))); err != nil {
		fmt.Fprintln(os.Stderr, "fails:", err)
		os.Exit(1)
	}
	fmt.Println("openai for Go passes")
}

func png(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err == nil && !bytes.HasPrefix(data, []byte("\x89PNG")) {
		err = fmt.Errorf("no PNG: %.20q", data)
	}
	return data, err
}

const prompt = "a photo of two clocks"

func check(ctx context.Context, client openai.Client) error {
	models, err := client.Models.List(ctx)
	if err != nil {
		return err
	}
	fmt.Println("models:", len(models.Data))
	reply, err := client.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: prompt, Model: models.Data[0].ID, N: openai.Int(2), Quality: "low"})
	if err != nil {
		return err
	}
	file, err := png(reply.Data[0].B64JSON)
	if err != nil || len(reply.Data) != 2 {
		return fmt.Errorf("%d images: %w", len(reply.Data), err)
	}
	fmt.Println("generations: 2 images")
	reply, err = client.Images.Edit(ctx, openai.ImageEditParams{
		Prompt: prompt, Quality: "low", Image: openai.ImageEditParamsImageUnion{OfFileArray: []io.Reader{bytes.NewReader(file)}},
	})
	if err != nil {
		return err
	}
	if _, err := png(reply.Data[0].B64JSON); err != nil {
		return err
	}
	fmt.Println("edits: 1 image")
	stream := client.Images.GenerateStreaming(ctx, openai.ImageGenerateParams{Prompt: prompt, PartialImages: openai.Int(2), Quality: "medium"})
	var kinds []string
	for stream.Next() {
		event := stream.Current()
		kinds = append(kinds, event.Type)
		if _, err := png(event.B64JSON); err != nil {
			return err
		}
	}
	if err := stream.Err(); err != nil || len(kinds) == 0 || kinds[len(kinds)-1] != "image_generation.completed" {
		return fmt.Errorf("stream %v: %w", kinds, err)
	}
	fmt.Println("stream:", strings.Join(kinds, ", "))
	_, err = client.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: prompt, N: openai.Int(99)})
	var typed *openai.Error
	if !errors.As(err, &typed) || typed.StatusCode != 400 || typed.Param != "n" {
		return fmt.Errorf("n=99: %w", err)
	}
	_, err = client.Images.Generate(ctx, openai.ImageGenerateParams{Prompt: prompt, Model: "dall-e-9"})
	if !errors.As(err, &typed) || typed.StatusCode != 404 || typed.Code != "model_not_found" {
		return fmt.Errorf("unknown model: %w", err)
	}
	fmt.Println("errors: typed")
	return nil
}
