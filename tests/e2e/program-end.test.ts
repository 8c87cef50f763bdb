import { programEndContract } from './program-end.ts';

programEndContract('SQLite', () => ({}));
