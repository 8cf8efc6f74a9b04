// Drives `reflectionflow serve` with the openai package for JavaScript, unchanged.
//
//   npm install --prefix "$DIR" openai
//   OPENAI_BASE_URL=http://127.0.0.1:8080/v1 OPENAI_API_KEY=any node tools/compat/sdk.mjs "$DIR"
import assert from 'node:assert';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const require = createRequire(resolve(process.argv[2] ?? '.', 'package.json'));
const { default: OpenAI, toFile } = require('openai');
const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY || 'any', maxRetries: 0 });

function png(text) {
  const data = Buffer.from(text, 'base64');
  assert.equal(data.subarray(1, 4).toString(), 'PNG');
  return data;
}

const models = [];
for await (const model of client.models.list()) models.push(model.id);
assert(models.length > 1);
console.log('models:', models.length);

const reply = await client.images.generate({ prompt: 'a photo of two clocks', model: models[0], n: 2, quality: 'low' });
const files = reply.data.map((d) => png(d.b64_json));
assert.equal(files.length, 2);
const large = await client.images.generate({ prompt: 'a photo of two clocks', size: '1024x1024', quality: 'low' });
assert.equal(png(large.data[0].b64_json).readUInt32BE(16), 1024);
assert.equal(large.size, '1024x1024');
console.log('generations: 2 images, and one of 1024x1024');

const edited = await client.images.edit({ image: await toFile(files[0], 'image.png', { type: 'image/png' }), prompt: 'a photo of two clocks', quality: 'low' });
png(edited.data[0].b64_json);
console.log('edits: 1 image');

const kinds = [];
for await (const event of await client.images.generate({ prompt: 'a photo of two clocks', stream: true, partial_images: 2, quality: 'medium' })) {
  kinds.push(event.type);
  png(event.b64_json);
}
assert.equal(kinds.at(-1), 'image_generation.completed');
console.log('stream:', kinds.join(', '));

await assert.rejects(client.images.generate({ prompt: 'a photo of two clocks', n: 99 }), OpenAI.BadRequestError);
await assert.rejects(client.images.generate({ prompt: 'a photo of two clocks', model: 'dall-e-9' }), OpenAI.NotFoundError);
console.log('errors: typed');
console.log('openai for JavaScript', require('openai/version').VERSION, 'passes');
