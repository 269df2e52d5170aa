namespace tflite {
void InitializeTarget();
}
