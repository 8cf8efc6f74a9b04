// Package chat asks vision-language models and reads their answers.
//
// [Model] is the contract: one question of text and images in, one answer out. Package
// [reflectionflow/chat/openai] implements it for servers of OpenAI's chat completions;
// packages verifier and reflector are built on it, and accept any other implementation.
//
// [Ask] returns the answer as a Go value. It takes JSON out of prose and code fences,
// checks it, and repeats the question once, with what was wrong. [Template] fills a
// prompt; its function quote writes foreign text as data, see [Quote].
//
// No answer is trusted: the caller's check sees every value, and text of users, images and
// models enters a prompt as a quoted string.
package chat
