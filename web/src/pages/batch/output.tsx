/* What a run wrote: its end first, since that is what people look for. */
import { Anchor, Button, CopyButton, Group } from '@mantine/core';
import { useEffect, useRef } from 'react';
import { plainText, readAnsi } from '../../logic/ansi.ts';
import { Output } from '../../parts/ansi.tsx';

export function RunOutput(props: { text: string; isCut: boolean; runId: string; label: string }) {
    const { text, isCut, runId, label } = props;
    const place = useRef<HTMLDivElement>(null);
    useEffect(() => {
        const box = place.current?.querySelector('.ansi');
        if (box) box.scrollTop = box.scrollHeight;
    }, [runId]);
    return (
        <div ref={place} className="run-output">
            <Output text={text} label={label} />
            <Group gap={12} mt={4}>
                <CopyText text={text} />
                {isCut && (
                    <Anchor
                        size="xs"
                        href={`/api/v1/runs/${encodeURIComponent(runId)}/output`}
                        target="_blank"
                        rel="noreferrer"
                    >
                        The whole of it, as text
                    </Anchor>
                )}
            </Group>
        </div>
    );
}

/** Without colours; made only when it is asked for. */
function CopyText(props: { text: string }) {
    const value = useRef('');
    return (
        <CopyButton value="">
            {() => (
                <Button
                    variant="subtle"
                    size="compact-xs"
                    onClick={() => {
                        value.current ||= plainText(readAnsi(props.text));
                        void navigator.clipboard?.writeText(value.current);
                    }}
                >
                    Copy
                </Button>
            )}
        </CopyButton>
    );
}
