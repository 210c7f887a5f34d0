// node build.mjs OUT: bundles page.tsx and its styles to OUT/page.js and OUT/page.css.
import { build } from 'esbuild';
import { copyFileSync, cpSync, mkdirSync } from 'node:fs';

const out = process.argv[2];
// Editors and maps, which no board has, are half of @grafana/ui.
const left = /^(monaco-editor|@monaco-editor|react-monaco-editor|ol|@uiw\/react-codemirror)(\/.*)?$/;
await build({
  entryPoints: ['page.tsx'],
  bundle: true,
  outfile: `${out}/page.js`,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  logLevel: 'error',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.svg': 'dataurl', '.png': 'dataurl', '.woff2': 'dataurl' },
  plugins: [
    {
      name: 'left out',
      setup(bundler) {
        bundler.onResolve({ filter: left }, ({ path }) => ({ path, namespace: 'left' }));
        bundler.onLoad({ filter: /.*/, namespace: 'left' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
      },
    },
  ],
});
cpSync('node_modules/@grafana/ui/dist/public/img', `${out}/public/build/img`, { recursive: true });
mkdirSync(`${out}/public/fonts/inter`, { recursive: true });
for (const weight of ['Regular', 'Medium']) {
  const file = 'node_modules/@fontsource-variable/inter/files/inter-latin-wght-normal.woff2';
  copyFileSync(file, `${out}/public/fonts/inter/Inter-${weight}.woff2`);
}
