import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Suites of programs first: they keep the cores busy for longest, and the many short files of the other project fill what is left at the end.
 * The files of a project stay together, because a worker ends when the next file is of another one.
 */
export class ProgramsFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isProgram = ({ project }: TestSpecification) => project.name === 'programs';
    return [...sorted.filter(isProgram), ...sorted.filter((file) => !isProgram(file))];
  }
}
