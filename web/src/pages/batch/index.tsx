import { Empty, Page } from '../../parts/page.tsx';

export default function Batch() {
    return (
        <Page title="Batch">
            <Empty title="This page is not here yet" />
        </Page>
    );
}
