/* Permission rows: which workflow, on which branch, in which environment may do what with its OIDC token. */
import { Button, Group, Select, Table, TextInput } from '@mantine/core';
import { IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import type { Schemas } from '../../api/client.ts';
import { queries, useOrder, usePages, useRights } from '../../api/queries.ts';
import { Problem } from '../../app/problem.tsx';
import { ActButton } from '../../parts/confirm.tsx';
import { Empty, Waiting } from '../../parts/page.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago } from '../../parts/time.tsx';

type Permission = Schemas['Permission'];

const names = [
    'Affected Stacks Create',
    'Deployments Create',
    'Instances Create',
    'Instances Update',
    'Locks Create',
    'Locks Delete',
] as const;

export function PermissionsTab({ repositoryId }: { repositoryId: number }) {
    const path = `/api/v1/repositories/${repositoryId}/permissions`;
    const rights = useRights(repositoryId);
    const rows = usePages<Permission>(
        { path, on: ['repositories'], repository: repositoryId },
        500,
    );
    const readAgain = () => void queries.invalidateQueries({ queryKey: [path] });
    if (rows.error) return <Problem error={rows.error} again={rows.again} />;
    if (rows.isPending) return <Waiting />;
    return (
        <>
            <p className="quiet">
                A workflow that calls with its OIDC token may do what one of these rows allows it. A
                pattern is * (anything), the same text, or a regular expression for the whole of it.
            </p>
            {rows.items.length === 0 ? (
                <Empty title="No workflow may do anything">
                    Add a row, so that the workflows of this repository can upload what is affected
                    and report what came of it.
                </Empty>
            ) : (
                <div className="frame">
                    <Table verticalSpacing={5}>
                        <Table.Thead>
                            <Table.Tr>
                                <Table.Th>May</Table.Th>
                                <Table.Th>Workflow</Table.Th>
                                <Table.Th>Branch</Table.Th>
                                <Table.Th>Environment</Table.Th>
                                <Table.Th>Added</Table.Th>
                                {rights.admin && <Table.Th aria-label="Remove" />}
                            </Table.Tr>
                        </Table.Thead>
                        <Table.Tbody>
                            {rows.items.map((row) => (
                                <Table.Tr key={row.id}>
                                    <Table.Td>{row.name}</Table.Td>
                                    <Pattern text={row.workflow} />
                                    <Pattern text={row.branch} />
                                    <Pattern text={row.environment} />
                                    <Table.Td className="quiet">
                                        <Name>{row.createdBy}</Name> <Ago at={row.createdAt} />
                                    </Table.Td>
                                    {rights.admin && (
                                        <Table.Td ta="right">
                                            <ActButton
                                                variant="subtle"
                                                size="compact-xs"
                                                leftSection={<IconTrash size={14} aria-hidden />}
                                                order={() => ({
                                                    method: 'DELETE',
                                                    path: `${path}/${row.id}`,
                                                })}
                                                ask={{
                                                    title: 'Remove this permission?',
                                                    word: 'Remove',
                                                    isGrave: true,
                                                    text: 'Workflows that it let in are refused from now on, unless another row allows the same.',
                                                }}
                                                done={() => `Removed: ${row.name}.`}
                                                after={readAgain}
                                            >
                                                Remove
                                            </ActButton>
                                        </Table.Td>
                                    )}
                                </Table.Tr>
                            ))}
                        </Table.Tbody>
                    </Table>
                </div>
            )}
            {rights.admin && <AddRow path={path} after={readAgain} />}
        </>
    );
}

function Pattern({ text }: { text: string }) {
    return (
        <Table.Td className={text === '*' ? 'quiet' : 'mono'}>
            {text === '*' ? 'any' : <Name>{text}</Name>}
        </Table.Td>
    );
}

function AddRow({ path, after }: { path: string; after: () => void }) {
    const [name, setName] = useState<string>(names[0]);
    const [patterns, setPatterns] = useState({ workflow: '*', branch: '*', environment: '*' });
    const add = useOrder(() => ({ method: 'POST', path, body: { name, ...patterns } }), after);
    const wrong = (text: string) =>
        text === ''
            ? 'Write * for any.'
            : text.length > 200
              ? 'At most 200 characters.'
              : undefined;
    const isWrong = Object.values(patterns).some((text) => wrong(text) !== undefined);
    return (
        <form
            aria-label="Add a permission"
            onSubmit={(event) => {
                event.preventDefault();
                if (!isWrong) add.mutate();
            }}
        >
            <Group align="flex-start" gap="xs">
                <Select
                    label="May"
                    data={[...names]}
                    value={name}
                    allowDeselect={false}
                    onChange={(value) => value && setName(value)}
                />
                {(['workflow', 'branch', 'environment'] as const).map((which) => (
                    <TextInput
                        key={which}
                        label={which.charAt(0).toUpperCase() + which.slice(1)}
                        value={patterns[which]}
                        error={wrong(patterns[which])}
                        onChange={(event) =>
                            setPatterns({ ...patterns, [which]: event.currentTarget.value })
                        }
                    />
                ))}
                <Button
                    type="submit"
                    mt={22}
                    disabled={isWrong}
                    loading={add.isPending}
                    leftSection={<IconPlus size={14} aria-hidden />}
                >
                    Add
                </Button>
            </Group>
            {add.error && <Problem error={add.error} />}
        </form>
    );
}
