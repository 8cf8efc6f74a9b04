package assemble

import (
	"fmt"

	"reflectionflow"
	"reflectionflow/chat"
	"reflectionflow/internal/config"
	"reflectionflow/verifier"
)

// promptIDs returns names and checksums of the built-in prompts of a configuration's
// verifiers. Prompts of one's own are files, whose sums are recorded.
func promptIDs(c *config.Config) (map[string]string, error) {
	ids := map[string]string{}
	var unasked struct{ chat.Model }
	for name, v := range c.Verifiers {
		if v.Prompt != "" {
			continue
		}
		var made interface{ PromptID() string }
		var err error
		switch v.Type {
		case config.Chat:
			made, err = verifier.NewChat(unasked, verifier.ChatOptions{})
		case config.YesNo:
			made, err = verifier.NewYesNo(unasked, verifier.YesNoOptions{Wording: v.Wording, PerRequirement: v.PerRequirement})
		default:
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("verifiers.%s: %w", name, err)
		}
		ids["verifiers."+name] = made.PromptID()
	}
	return ids, nil
}

// checkPromptIDs refuses a configuration whose built-in prompts are not the recorded ones.
// Records of versions before they were recorded have none.
func checkPromptIDs(c *config.Config, recorded map[string]string) error {
	ids, err := promptIDs(c)
	if err != nil {
		return err
	}
	for name, id := range ids {
		if was := recorded[name]; was != "" && was != id {
			return fmt.Errorf("%w: %s: the run started with the prompt %.80q, this program has %q: use the program that started it, or start a new run", reflectionflow.ErrInvalid, name, was, id)
		}
	}
	return nil
}
