import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders and files of tests that start programs: the shipped binary, databases, browsers, the compiler. */
const PROGRAMS = /\/tests\/(browser|cli|e2e|evals|nginx|postgres|release|scripts|audit\/processes|launch|new-operation)[/.]/;

/** Tests of programs first: they keep the cores busy for longest, and the many short files fill what is left at the end. */
export class ProgramsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isProgram = ({ moduleId }: TestSpecification) => PROGRAMS.test(moduleId);
    return [...sorted.filter(isProgram), ...sorted.filter((file) => !isProgram(file))];
  }
}
