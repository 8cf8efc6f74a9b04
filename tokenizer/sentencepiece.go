package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Fields and values of SentencePiece's ModelProto (sentencepiece_model.proto).
const (
	modelPieces, modelTrainer, modelNormalizer = 1, 2, 3
	pieceText, pieceScore, pieceType           = 1, 2, 3
	trainerType, trainerUnknown                = 3, 40
	normalizerTable                            = 2

	typeUnigram                           = 1
	typeUnknown, typeControl, typeDefined = 2, 3, 4
)

// maxExtra bounds the number of <extra_id_…> tokens.
const maxExtra = 1 << 12

// sentencePiece is the part of a ModelProto that encoding needs.
type sentencePiece struct {
	pieces    []scoredJSON
	types     []uint64
	modelType uint64
	unknownID int64
	table     []byte
}

// pieceDocument makes T5's tokenizer.json of a spiece.model, as transformers'
// T5Tokenizer of version 5 does.
func pieceDocument(data []byte, config folderConfig) (document, error) {
	s := sentencePiece{modelType: typeUnigram}
	if err := s.read(data); err != nil {
		return document{}, err
	}
	if s.modelType != typeUnigram {
		return document{}, fmt.Errorf("a SentencePiece model of type %d is not supported: Unigram (1) is", s.modelType)
	}
	end := config.End.orDefault("</s>")
	endID := int32(-1)
	var added []addedToken
	for id, p := range s.pieces {
		if p.token == end {
			endID = int32(id)
		}
		if t := s.types[id]; t == typeUnknown || t == typeControl || t == typeDefined {
			added = append(added, addedToken{ID: int32(id), Content: p.token, Special: t != typeDefined})
		}
	}
	if endID < 0 {
		return document{}, fmt.Errorf("the end token %q is not in the vocabulary", end)
	}
	extra := 100 // T5's
	if config.Class == siglipClass {
		extra = 0
	}
	if config.ExtraIDs != nil {
		extra = *config.ExtraIDs
	}
	if extra < 0 || extra > maxExtra {
		return document{}, fmt.Errorf("%s: extra_ids is %d, must be from 0 to %d", configFile, extra, maxExtra)
	}
	for i := range extra {
		added = append(added, addedToken{ID: int32(len(s.pieces) + i), Content: fmt.Sprintf("<extra_id_%d>", extra-1-i), Special: true})
	}
	added, err := config.added(added...)
	d := document{
		Version:       "1.0",
		AddedTokens:   added,
		PreTokenizer:  json.RawMessage(`{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}]}`),
		PostProcessor: toJSON(newTemplate(nil, []string{end}, map[string]int32{end: endID})),
		Decoder:       json.RawMessage(`{"type":"Metaspace","replacement":"▁","prepend_scheme":"always","split":true}`),
		Model:         toJSON(unigramJSON{Type: "Unigram", UnknownID: &s.unknownID, Vocabulary: s.pieces}),
	}
	if len(s.table) > 0 {
		d.Normalizer = toJSON(normalizerJSON{Type: "Precompiled", Charsmap: s.table})
	}
	return d, err
}

func (s *sentencePiece) read(data []byte) error {
	return fields(data, func(number protowire.Number, value field) error {
		switch number {
		case modelPieces:
			return s.addPiece(value.bytes)
		case modelTrainer:
			return fields(value.bytes, func(number protowire.Number, value field) error {
				switch number {
				case trainerType:
					s.modelType = value.number
				case trainerUnknown:
					s.unknownID = int64(value.number)
				}
				return nil
			})
		case modelNormalizer:
			return fields(value.bytes, func(number protowire.Number, value field) error {
				if number == normalizerTable {
					s.table = value.bytes
				}
				return nil
			})
		}
		return nil
	})
}

func (s *sentencePiece) addPiece(data []byte) error {
	var p scoredJSON
	var kind uint64
	err := fields(data, func(number protowire.Number, value field) error {
		switch number {
		case pieceText:
			p.token = string(value.bytes)
		case pieceScore:
			p.score = float64(math.Float32frombits(uint32(value.number)))
		case pieceType:
			kind = value.number
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case len(s.pieces) >= maxVocabulary:
		return fmt.Errorf("there are more than %d tokens", maxVocabulary)
	case !utf8.ValidString(p.token) || math.IsNaN(p.score) || math.IsInf(p.score, 0):
		return fmt.Errorf("the token %q is not valid UTF-8 or its score is not a number", p.token)
	}
	s.pieces, s.types = append(s.pieces, p), append(s.types, kind)
	return nil
}

// field is the value of a protobuf field: a number, or bytes.
type field struct {
	number uint64
	bytes  []byte
}

// fields calls back for every field of a protobuf message.
func fields(data []byte, yield func(protowire.Number, field) error) error {
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return errors.New("this is no SentencePiece model")
		}
		data = data[n:]
		var value field
		switch kind {
		case protowire.VarintType:
			value.number, n = protowire.ConsumeVarint(data)
		case protowire.Fixed32Type:
			var bits uint32
			bits, n = protowire.ConsumeFixed32(data)
			value.number = uint64(bits)
		case protowire.BytesType:
			value.bytes, n = protowire.ConsumeBytes(data)
		default:
			n = protowire.ConsumeFieldValue(number, kind, data)
		}
		if n < 0 {
			return errors.New("this is no SentencePiece model: it is cut off")
		}
		data = data[n:]
		if err := yield(number, value); err != nil {
			return err
		}
	}
	return nil
}
