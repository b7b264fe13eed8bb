import js from '@eslint/js';
import tseslint from 'typescript-eslint';

export default tseslint.config(js.configs.recommended, ...tseslint.configs.strictTypeChecked, {
  languageOptions: { parserOptions: { project: './tsconfig.json', tsconfigRootDir: import.meta.dirname } },
  rules: {
    eqeqeq: ['error', 'always'],
    // numbers and dates in sentences are meant
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }]
  }
});
