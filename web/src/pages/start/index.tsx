/* An empty installation, led by the hand. Each step says by itself when it is done, and what is wrong while it is not. */
import { Button, Group, Tabs, Text } from '@mantine/core';
import { IconAlertTriangle, IconCircleCheckFilled, IconCircleDashed } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Data } from '../../api/client.ts';
import { useRead } from '../../api/queries.ts';
import { Problem } from '../../app/problem.tsx';
import { paths } from '../../app/paths.ts';
import { Copy } from '../../parts/copy.tsx';
import { Go, Out } from '../../parts/go.tsx';
import { Page, Waiting } from '../../parts/page.tsx';
import { Ago } from '../../parts/time.tsx';

type Onboarding = Data<'readOnboarding'>;
type StepId = Onboarding['steps'][number]['id'];

const titles: Record<StepId, string> = {
    app: 'Create the GitHub App',
    install: 'Install it in an organisation',
    import: 'Choose repositories',
    workflows: 'Copy the workflow files',
    upload: 'See the first upload arrive',
};

export default function Start() {
    const state = useRead<Onboarding>({
        path: '/api/v1/onboarding',
        on: ['repositories', 'uploads', 'facts', 'members'],
    });
    const data = state.data;
    const left = data?.steps.filter((step) => !step.done).length ?? 0;
    return (
        <Page
            title="Set-up"
            sub={
                !data
                    ? undefined
                    : left === 0
                      ? 'Everything is in place.'
                      : `${data.steps.length - left} of ${data.steps.length} steps done. This page notices by itself.`
            }
            isNarrow
        >
            {state.isPending && <Waiting />}
            {state.error && <Problem error={state.error} again={() => void state.refetch()} />}
            {data && (
                <ol className="steps">
                    {data.steps.map((step) => {
                        const isNext = data.steps.find((one) => !one.done)?.id === step.id;
                        return (
                            <li
                                key={step.id}
                                data-step={step.id}
                                data-done={step.done}
                                aria-current={isNext ? 'step' : undefined}
                            >
                                <StepMark
                                    isDone={step.done}
                                    isWrong={step.wrong !== null && step.wrong !== ''}
                                />
                                <div>
                                    <h2>{titles[step.id]}</h2>
                                    {step.done ? (
                                        <span className="quiet">
                                            done
                                            {step.at && (
                                                <>
                                                    {' '}
                                                    <Ago at={step.at} />
                                                </>
                                            )}
                                        </span>
                                    ) : (
                                        <Text component="div" size="sm" c="dimmed">
                                            {step.hint}
                                        </Text>
                                    )}
                                    {step.wrong && (
                                        <div className="callout" data-tone="bad">
                                            {step.wrong}
                                        </div>
                                    )}
                                    <StepBody
                                        id={step.id}
                                        isDone={step.done}
                                        isNext={isNext}
                                        data={data}
                                    />
                                </div>
                            </li>
                        );
                    })}
                </ol>
            )}
            {data && left === 0 && (
                <div className="callout" data-tone="good">
                    Open a pull request that touches a stack, and{' '}
                    <Go to={paths.now()}>watch it here</Go>.
                </div>
            )}
        </Page>
    );
}

function StepMark(props: { isDone: boolean; isWrong: boolean }) {
    const look = { size: 20, style: { marginTop: 1 } };
    if (props.isDone)
        return (
            <IconCircleCheckFilled
                {...look}
                color="var(--tone-good)"
                role="img"
                aria-label="done"
            />
        );
    if (props.isWrong)
        return (
            <IconAlertTriangle {...look} color="var(--tone-bad)" role="img" aria-label="wrong" />
        );
    return <IconCircleDashed {...look} color="var(--tone-quiet)" role="img" aria-label="not yet" />;
}

function StepBody(props: {
    id: StepId;
    isDone: boolean;
    isNext: boolean;
    data: Onboarding;
}): ReactNode {
    const { id, isDone, isNext, data } = props;
    if (id === 'app' && !isDone && data.setupUrl)
        return (
            <Group mt={10}>
                <Button component="a" href={data.setupUrl}>
                    Create the App at GitHub
                </Button>
            </Group>
        );
    if (id === 'install' && data.app && (!isDone || isNext))
        return (
            <Group mt={10}>
                <Out href={data.app.installUrl}>Install {data.app.slug}</Out>
            </Group>
        );
    if (id === 'import' && data.app)
        return (
            <Text size="sm" mt={6}>
                {isDone ? (
                    <Go to={paths.repositories()}>See the repositories</Go>
                ) : (
                    <Out href={data.app.installUrl}>Choose them at GitHub</Out>
                )}
            </Text>
        );
    if (id === 'workflows' && data.workflowFiles.length > 0 && !(isDone && !isNext))
        return <Files files={data.workflowFiles} />;
    return null;
}

function Files(props: { files: Onboarding['workflowFiles'] }) {
    const name = (path: string) => path.split('/').at(-1) ?? path;
    return (
        <Tabs defaultValue={props.files[0]!.path} mt={10} keepMounted={false}>
            <Tabs.List>
                {props.files.map((file) => (
                    <Tabs.Tab key={file.path} value={file.path}>
                        {name(file.path)}
                    </Tabs.Tab>
                ))}
            </Tabs.List>
            {props.files.map((file) => (
                <Tabs.Panel key={file.path} value={file.path} pt={8}>
                    <Group justify="space-between" mb={6}>
                        <span className="mono">{file.path}</span>
                        <Copy text={file.text} variant="default" />
                    </Group>
                    <pre
                        className="copy"
                        tabIndex={0}
                        aria-label={file.path}
                        style={{ maxHeight: 340, overflow: 'auto' }}
                    >
                        {file.text}
                    </pre>
                </Tabs.Panel>
            ))}
        </Tabs>
    );
}
