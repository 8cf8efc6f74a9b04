// Renders every NAME.svg of a folder to NAME.png, its longer side `side` pixels:
//   node rasterise.mjs FOLDER SIDE NODE_MODULES
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';

const [folder, side, modules] = process.argv.slice(2);
const sharp = createRequire(join(resolve(modules), 'x.js'))('sharp');

for (const name of readdirSync(folder).filter((n) => n.endsWith('.svg')).sort()) {
  const path = join(folder, name);
  const { width, height } = await sharp(path).metadata();
  const density = (72 * Number(side)) / Math.max(width, height);
  await sharp(path, { density }).ensureAlpha().toColourspace('srgb').png().toFile(path.replace(/svg$/, 'png'));
}
