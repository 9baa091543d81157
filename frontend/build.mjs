// Bundles the pages' scripts and styles into api/web/static and writes manifest.json.
//
// Same sources, same bytes: names carry the hash of their content, and the manifest carries the
// integrity that the pages print. Images that a style sheet holds as data: addresses become files,
// because the pages' policy (img-src 'self') lets no data: address load.
import { createHash } from "node:crypto";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "api", "web", "static");
const DATA_IMAGE = /url\("data:image\/svg\+xml,([^"]*)"\)/g;

const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex").slice(0, 12);

const integrityOf = (bytes) => `sha384-${createHash("sha384").update(bytes).digest("base64")}`;

async function kept(name, bytes) {
  const [stem, ending] = name.split(".");
  const file = `${stem}-${hashOf(bytes)}.${ending}`;
  await writeFile(join(target, file), bytes);
  return file;
}

const imagesAsFiles = {
  name: "images-as-files",
  setup(bundler) {
    bundler.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      let contents = await readFile(path, "utf8");
      for (const [whole, encoded] of contents.matchAll(DATA_IMAGE)) {
        const file = await kept("image.svg", decodeURIComponent(encoded));
        contents = contents.replaceAll(whole, `url("${file}")`);
      }
      return { contents, loader: "css" };
    });
  },
};

await rm(target, { recursive: true, force: true });
await mkdir(target, { recursive: true });

const { metafile } = await build({
  absWorkingDir: here,
  entryPoints: ["src/app.ts", "src/deposit.ts", "src/seal-worker.ts", "src/style.css"],
  outdir: target,
  entryNames: "[name]-[hash]",
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022"],
  external: ["image-*.svg"],
  legalComments: "inline",
  metafile: true,
  plugins: [imagesAsFiles],
});

const manifest = {};
for (const [path, output] of Object.entries(metafile.outputs)) {
  if (!output.entryPoint) continue;
  const file = basename(path);
  const bytes = await readFile(join(target, file));
  const name = basename(output.entryPoint).replace(/\.[a-z]+$/, "");
  manifest[name] = { file, integrity: integrityOf(bytes) };
}
const icon = await readFile(join(here, "src", "icon.svg"));
manifest.icon = { file: await kept("icon.svg", icon), integrity: integrityOf(icon) };

const sorted = Object.fromEntries(Object.entries(manifest).sort());
await writeFile(join(target, "manifest.json"), `${JSON.stringify(sorted, null, 2)}\n`);
