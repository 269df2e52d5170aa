"""What MLServer runs in `test_mlserver.py`, copied beside its settings; it knows nothing of samewhy."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

PLACES = [0, 7, -1]


class Picks(MLModel):
    """Three positions of each sample are its scores."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        samples = NumpyCodec.decode_input(payload.inputs[0])
        scores = samples.reshape(len(samples), -1)[:, PLACES]
        outputs = [NumpyCodec.encode_output("scores", scores)]
        return InferenceResponse(model_name=self.name, outputs=outputs)
